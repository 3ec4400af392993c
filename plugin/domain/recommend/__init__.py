"""Recommenders: what goes together, what is new for a customer, what a customer buys again, and which method of each
this shop's own history speaks for. Pure numerics; the job that fits and stores them is `plugin/lifecycle/recommending`.
"""
