"""PAC's network: tokens, the Perceiver, the heads of policy and critic.

This wing promises that a network is a function of schema, configuration and weights. It knows no data and no
gradient.
"""
