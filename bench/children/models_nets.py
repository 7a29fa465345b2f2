"""The nets of the serving rows, the same for the side that exports them and for the side that runs them in torch."""

from torch import nn

from ml.models.lstm import RecurrentNet
from ml.models.transformer import TransformerNet

N_FEATURES = 50
N_ROWS = 3_000
SEQUENCE = 60
WIDTH, FEED, HEADS, LAYERS = 256, 1024, 8, 6


def a_lstm() -> RecurrentNet:
    """Return the LSTM with fresh weights."""
    return RecurrentNet("lstm", N_FEATURES, SEQUENCE, 128, 3, 0.0).eval()


def a_transformer() -> TransformerNet:
    """Return the transformer with fresh weights; every row may look back over the whole sequence."""
    net = TransformerNet(N_FEATURES, WIDTH, HEADS, LAYERS, SEQUENCE, 0.0)
    for block in net.blocks:
        block.feed = nn.Sequential(nn.Linear(WIDTH, FEED), nn.GELU(), nn.Linear(FEED, WIDTH))
    return net.eval()
