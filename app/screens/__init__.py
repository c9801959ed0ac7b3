"""What a person sees in the terminal. Screens render documents; they compute nothing."""
