"""What would other hyperparameters do?"""
