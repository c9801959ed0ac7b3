import pytest
from tests.support.fakes import *
@pytest.mark.parametrize("s",["BULL","BEAR","BULLs","BULLl","WEAKs","WEAKl","none"])
async def test_a(world,s):
    d={"BULL":BULL,"BEAR":BEAR,"BULLs":{**BULL,"vol_view":"short"},"BULLl":{**BULL,"vol_view":"long"},"WEAKs":{**WEAK,"vol_view":"short"},"WEAKl":{**WEAK,"vol_view":"long"},"none":WEAK}[s]
    w=world({"*":d})
    st=await w.run()
    print(s,st["regime"].regime,w.market.as_of)
    for o in st["outcomes"]: print(o.ticker,o.step,o.reason)
    for a in st["allocations"].values(): print(a.ticker,a.sized.candidate.strategy,a.sized.candidate.max_loss,a.sized.units,a.sized.sizing.binding,a.sized.candidate.drift)
