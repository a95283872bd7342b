"""Films attacked games side by side, as MP4 or GIF."""
