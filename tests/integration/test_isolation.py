import os
import socket

import pytest
import redis


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_a_test_that_reaches_for_another_machine_fails(host):
    with pytest.raises(pytest.fail.Exception, match="tests stay on this machine"):
        socket.create_connection((host, 80), timeout=0.1)


def test_this_machine_may_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_no_settings_of_the_person_who_runs_the_tests_are_seen():
    seen = {name for name in os.environ if name.startswith("XCRACK_")}
    assert seen <= {"XCRACK_DATA_DIR", "XCRACK_SHOTS"}


def test_the_redis_of_the_tests_answers(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.set("isolation", "yes")
        assert client.get("isolation") == b"yes"
