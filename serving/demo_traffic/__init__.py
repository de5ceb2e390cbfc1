"""`python -m serving.demo_traffic`: replays the simulator against a running scorer, reports included.

    simulated stream -> requests in order of known time (`story`) -> paced and sent (`replay`) -> `tally`

The service must run with FRAUD_CLOCK=traffic: each request carries the simulated time at which it is known,
so that months pass in minutes. The stream begins in the first week that the service has not seen, so a second
run continues after the first. Hours and weekdays stay as simulated; the ids begin with the run's first day.

Requests are on the way at the same time, so some become known a little later than simulated, never by more
than `story.IN_FLIGHT_US` and a batch's own span. The same run twice therefore gives nearly, not exactly, the
same features.
"""
