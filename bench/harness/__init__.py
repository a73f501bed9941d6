"""The parts of the programs in `bench/`.

    processes   starting and ending programs; CPU, memory and bytes out of /proc
    postgres    a PostgreSQL cluster in a temporary folder
    web         requests, and the orchestrator's metrics
    build       the programs that are measured, and those that measure
    systems     the participants, the sketches and the orchestrator, each started anew with an empty store
    point       one measured point, checked against the participants' ledger
    finished    a journal filled with finished orders, by SQL
    rows        the rows of the table: limits, groups, medians
    steady, scenarios, crowds, history, machine     how each row is measured
    table       the table
"""
