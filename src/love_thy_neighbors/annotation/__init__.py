"""Label suggestions for photos, and the reasons for them."""
