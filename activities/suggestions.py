"""The message of a review's follow-up: what the model suggested with its verdict, so that none is asked again."""

from dataclasses import replace

from activities.drafts import template_draft, values_for
from models.placeholders import AI_TEXT
from models.tables import ConversationAnalysis
from policies.message_text import VariableMissing
from storage.enrollments import EnrollmentFacts
from storage.sends import Draft
from storage.subjects import Subject


def suggested_draft(facts: EnrollmentFacts, subject: Subject, analysis: ConversationAnalysis, stage: int) -> Draft:
    """The stage's draft with the suggested text, in the open window as it is, outside it as the template shows it.

    Raises:
        VariableMissing: the text was erased, or the template needs something that nobody knows.
    """
    if analysis.suggestion is None:
        raise VariableMissing(AI_TEXT)
    values = values_for(facts, subject, None, ai_text=analysis.suggestion)
    draft = template_draft(facts.definition.stages[stage].message.template, values, None)
    return replace(
        draft, free_text=analysis.suggestion, written_by=analysis.model, prompt_version=analysis.prompt_version
    )
