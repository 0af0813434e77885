"""Counters and histograms, as the metrics need them."""
import threading

from st.tally import Distribution, Histogram, Tally


def test_known_kinds_are_there_from_the_start() -> None:
    """With 0; others come with their first."""
    tally = Tally("ok", "error")
    tally.count("ok")
    tally.count("ok")
    tally.count("odd")
    assert tally.counts() == {"ok": 2, "error": 0, "odd": 1}


def test_each_bound_includes_itself_and_what_is_below() -> None:
    """As Prometheus has it: le is "less or equal"."""
    histogram = Histogram((0.5, 1.0, 2.0))
    for seconds in (0.25, 0.5, 1.5, 9.0):
        histogram.observe(seconds)
    assert histogram.distribution() == Distribution(((0.5, 2), (1.0, 2), (2.0, 3)), 11.25, 4)


def test_an_empty_histogram() -> None:
    """All of it is there, with 0."""
    assert Histogram((1.0,)).distribution() == Distribution(((1.0, 0),), 0.0, 0)


def test_many_threads_lose_no_count() -> None:
    """What is counted at the same time is counted."""
    tally, histogram = Tally(), Histogram((1.0,))

    def work() -> None:
        for _ in range(2000):
            tally.count("x")
            histogram.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.counts() == {"x": 16000}
    assert histogram.distribution() == Distribution(((1.0, 16000),), 8000.0, 16000)
