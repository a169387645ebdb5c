"""The report's sections: each module gives in ``SECTIONS`` the title, place in the paper and builder by experiment."""
