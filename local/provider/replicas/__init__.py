"""The processes of functions: started, watched, restarted, and what they write."""
