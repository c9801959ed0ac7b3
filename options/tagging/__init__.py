"""What an account holds, in the language of structures: every contract and share explained exactly once."""

from options.tagging.account import Tagged, tag, tag_positions
from options.tagging.patterns import RECOGNISED

__all__ = ["RECOGNISED", "Tagged", "tag", "tag_positions"]
