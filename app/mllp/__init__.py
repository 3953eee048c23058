"""The MLLP listener: frames out of bytes, frames of all connections into groups, answers back in order."""
