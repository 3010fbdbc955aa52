"""Evaluation: recall@k, MRR and mAP on a person's own pairs."""
