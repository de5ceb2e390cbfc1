"""The room of the third fold (drift monitors, health, the switch to plan B). Nothing lives here yet."""
