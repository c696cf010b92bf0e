"""What users call: photo in, picture out. Nothing here needs Lightning or Gradio."""
