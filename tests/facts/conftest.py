from tests.support.online_retail import PRESENT

# The real shop's orders stand beside the project, not in it; the hand-made histories hold the same code without them.
collect_ignore = [] if PRESENT else ["test_real_orders.py"]
