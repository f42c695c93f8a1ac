"""Note which functions of the library a stage runs; in a folder on the path, Python imports this first.

A stage's process writes them into the folder that the environment's RAN names, when it ends.
"""

import atexit
import os
import re
import sys
import threading

SCRIPT = next(filter(None, (re.search(r"/scripts/tmp\w+\.(\w+)\.py$", word) for word in sys.orig_argv)), None)
LIBRARY = f"{os.sep}src{os.sep}voxplain{os.sep}"


def note(frame, event, arg):
    code = frame.f_code
    # Bodies of modules and classes are no functions; what modules call when they are imported is no work.
    if LIBRARY in code.co_filename and code.co_flags & 1 and code not in seen:  # the cheapest first
        above = frame.f_back
        while above and not (above.f_code.co_name == "<module>" and LIBRARY in above.f_code.co_filename):
            above = above.f_back
        if above is None:
            seen.add(code)


def write():
    sys.settrace(None)
    found = {(code.co_filename, code.co_qualname.partition(".")[0]) for code in seen}
    os.makedirs(os.environ["RAN"], exist_ok=True)
    with open(os.path.join(os.environ["RAN"], f"{SCRIPT.group(1)}.{os.getpid()}"), "w") as file:
        file.writelines(f"{path}\t{name}\n" for path, name in sorted(found))


if SCRIPT and "RAN" in os.environ:
    seen = set()
    atexit.register(write)
    threading.settrace(note)
    sys.settrace(note)
