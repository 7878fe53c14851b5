"""Many pictures: found in a folder or a bucket, worked on here or on Ray, kept in a manifest, and reported."""
