"""Cases for people: reader studies of the advice, and case conferences that a class plays blind."""
