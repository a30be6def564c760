"""Prints how each client took each refusal: how often it called, for how long, and what its user reads."""

import json
import sys


def main(paths):
    rows = [json.loads(line) for path in paths for line in open(path, encoding="utf-8")]
    rows.sort(key=lambda row: (row["case"], row["client"]))
    print(f"{'situation':<26}{'client':<9}{'status':>6}  {'code':<28}{'tries':>5}{'seconds':>9}")
    for row in rows:
        print(f"{row['case']:<26}{row['client']:<9}{row['status']:>6}  {row['code'] or '':<28}{row['tries']:>5}{row['seconds']:>9.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
