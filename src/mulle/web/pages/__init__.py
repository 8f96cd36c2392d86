"""The pages: one module a noun, each page answers one question by what the verbs say."""
