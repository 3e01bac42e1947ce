"""What a clearing costs on this machine, beside what else one could run on it: the command ``fastclear bench``.

:func:`fastclear.bench.runner.measure` starts child processes that run the cases of ``cases.py``; ``goals.py`` says what
is aimed at and reads from the rows what was reached; ``view.py`` and ``plot.py`` show it.

The rules: fastclear and its yardsticks run in one process, one call each in turn, in an order that rotates from round
to round; what is compared is the ratio within a round, and of those the median. Work on one thread is timed in CPU time
of the process, work on several by the clock on the wall. Every yardstick's result is compared with fastclear's before
anything is timed. numpy is measured as it comes and with its AVX-512 code switched off, since which of the two sorts
faster depends on the processor; tables show the setting in which the yardstick does better.
"""
