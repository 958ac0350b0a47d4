//! A session description: codes and SDP <-> str0m.
