"""The room of the HTTP scorer and the dashboard. Nothing lives here yet."""
