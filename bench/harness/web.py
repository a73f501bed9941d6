"""Requests to what runs here."""
import http.client, json, re, time, urllib.error, urllib.request

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def get(url, timeout=30):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read()


def get_json(url):
    return json.loads(get(url))


def post(url, body=b""):
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=30) as answer:
        return answer.read()


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Metrics:
    """One answer of `/metrics`."""

    def __init__(self, url):
        self.samples = []
        for line in get(f"{url}/metrics").decode().splitlines():
            found = SAMPLE.match(line)
            if found and not line.startswith("#"):
                self.samples.append((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])))

    def total(self, name, **labels):
        """The sum of the samples of that name with these labels."""
        return sum(value for known, own, value in self.samples if known == name and labels.items() <= own.items())


def wait_until(true, seconds, every=0.1):
    """Whether it has become true in that time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
