"""What a study is trained on."""
