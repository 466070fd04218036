"""Files of projects that several tests write; `UNIQUE` stands for the test's own name."""

ADD_FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def add(x: int = 1, y: int = 2) -> int:
        return x + y
"""

WORK_FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n
"""
