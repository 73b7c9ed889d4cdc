"""Drives a fake of Pinecone with Pinecone's own client: what it accepts is how the real one is spoken to.

    judge.py URL KEY
"""

import sys

from pinecone import Pinecone, ServerlessSpec

url, key = sys.argv[1:3]
client = Pinecone(api_key=key, host=url)
client.create_index(name="house", dimension=2, metric="cosine", spec=ServerlessSpec(cloud="aws", region="us-east-1"), timeout=-1)
seen = client.describe_index("house")
assert (seen.dimension, seen.metric, seen.status.ready) == (2, "cosine", True), seen
index = client.Index(host=url)
vectors = [
    {"id": "theirs", "values": [1.0, 0.1], "metadata": {"repo_id": "mill", "timestamp_epoch": 5}},
    {"id": "other", "values": [0.0, 1.0], "metadata": {"repo_id": "till", "timestamp_epoch": 9}},
]
assert index.upsert(vectors=vectors, namespace="logs").upserted_count == 2
found = index.query(namespace="logs", vector=[1.0, 0.0], top_k=5, include_metadata=True)
assert [match.id for match in found.matches] == ["theirs", "other"] and found.matches[0].metadata["repo_id"] == "mill", found
narrowed = {"repo_id": {"$eq": "till"}, "timestamp_epoch": {"$gte": 6, "$lte": 9}}
assert [match.id for match in index.query(namespace="logs", vector=[1.0, 0.0], top_k=5, filter=narrowed).matches] == ["other"]
index.delete(ids=["other"], namespace="logs")
assert [match.id for match in index.query(namespace="logs", vector=[0.0, 1.0], top_k=5).matches] == ["theirs"]
