from tests.support.hillstrom import PRESENT

collect_ignore = [] if PRESENT else ["test_hillstrom.py"]
