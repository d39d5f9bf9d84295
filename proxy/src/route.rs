//! Which rule of a list applies to a request.
