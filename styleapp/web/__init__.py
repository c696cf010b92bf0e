"""The web page: Gradio only, one file a tab."""
