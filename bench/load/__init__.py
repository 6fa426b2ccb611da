"""What is sent, and how: photos, clients, closed and open loops, backlogs."""
