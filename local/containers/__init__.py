"""What the containers of docker-compose.yml run of the local parts."""
