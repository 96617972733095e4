"""Repeats a computation and tells what it took, as one line of JSON."""
import json
import sys
import time


def problem():
    return json.load(sys.stdin)


def tell(compute):
    cpu, wall, answer = [], [], {}
    for _ in range(int(sys.argv[1])):
        c, w = time.process_time(), time.perf_counter()
        answer = compute()
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
    answer.update(cpu=cpu, wall=wall)
    print(json.dumps(answer))
