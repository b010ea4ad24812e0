"""What an archive of a study is made of, and the forms in which repositories take it."""
