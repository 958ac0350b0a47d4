//! Where we can be reached: host addresses, STUN.
