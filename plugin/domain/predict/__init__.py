"""Predictions of repurchase: from days and amounts of orders to probabilities, chosen by the shop's own past.

Pure numerics; the job that fits and stores them is `plugin/lifecycle/predicting`.
"""
