"""One round of asking: what all Sentinels said, and that in words."""
import typing as t

from st.sentinel.answers import Answer, Report

# A Sentinel that says one of these of a master is about to fail it over, or does.
TROUBLE = frozenset(["s_down", "o_down", "failover_in_progress"])
FAILOVER = frozenset(["o_down", "failover_in_progress"])


class Round(t.NamedTuple):
    """What one round of asking has brought so far."""

    reports: t.Sequence[Report]
    known: int  # Sentinels that could have answered
    complete: bool  # no more reports are expected
    heard: str  # event, poll or hint: why the round was made

    def answers(self, master_name: str) -> t.List[t.Tuple[Report, Answer]]:
        """Return what each Sentinel that answered said of a master."""
        return [(report, report.answers.get(master_name, Answer())) for report in self.reports if not report.error]

    def trouble(self, master_name: str) -> t.FrozenSet[str]:
        """Return the flags that say a failover is near."""
        return TROUBLE.intersection(flag for _, answer in self.answers(master_name) for flag in answer.flags)

    def outage(self) -> bool:
        """Tell whether no Sentinel answered."""
        return all(report.error for report in self.reports)

    def no_answer(self, master_name: str) -> str:
        """Return why nobody names a master."""
        answers = [answer for _, answer in self.answers(master_name)]
        if answers and all(answer.unknown for answer in answers):
            return "none of them monitors this name"
        problems = [answer.problem for answer in answers if answer.problem]
        return (problems + [report.error for report in self.reports if report.error] + [""])[0]

    def in_words(self, *reasons: str) -> str:
        """Return the reasons that are any, after how many Sentinels answered; "" without a reason."""
        told = [reason for reason in reasons if reason]
        if not told:
            return ""
        answered = sum(1 for report in self.reports if not report.error)
        return "%d of %d sentinels answer, %s" % (answered, self.known, ", ".join(told))
