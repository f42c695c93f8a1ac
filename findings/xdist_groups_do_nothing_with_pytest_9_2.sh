#!/usr/bin/env bash
# pytest-xdist with --dist loadgroup: six tests, of which four carry the same mark xdist_group, on two workers.
#
# One would expect the four of one group to run in one worker, as pytest-xdist's documentation says, so that what they share (a session's
# fixture that takes minutes, a port, a file) is made once.
#
# What happens with pytest 9.2: the group is passed on by writing it behind the private name under which pytest keeps a test's
# identity, a name that pytest no longer has. The value goes nowhere, nothing fails, nothing warns, and the tests are handed out one by one
# as with --dist load: both workers run tests of the group, and both make the fixture. With pytest 8.4 and the same pytest-xdist
# they stay together.
#
# Seen: pytest-xdist 3.8.0 with pytest 9.2.0 and 8.4.2, Python 3.11, x86_64. Takes half a minute. Output seen:
#   pytest 8.4.2: workers that run the group: 1
#   pytest 9.2.0: workers that run the group: 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/test_groups.py" <<'PYTHON'
import os
import time

import pytest


@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("n", range(4))
def test_of_the_group(n):
    time.sleep(0.5)
    with open("ran", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")


@pytest.mark.parametrize("n", range(2))
def test_other(n):
    time.sleep(0.5)
PYTHON
workers() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
    (cd "$folder" && rm -f ran && "$folder/$1/bin/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup >/dev/null && sort -u ran | wc -l)
}
old=$(workers 8.4.2)
new=$(workers 9.2.0)
echo "pytest 8.4.2: workers that run the group: $old"
echo "pytest 9.2.0: workers that run the group: $new"
[ "$old" -eq 1 ] && [ "$new" -eq 2 ]
