"""The store engine past one machine: MongoDB, a replica set or sharded cluster, reached by mongoengine."""

from app.store.mongo.store import MongoStore, open_store

__all__ = ["MongoStore", "open_store"]
