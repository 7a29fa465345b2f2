"""The client's own time for a first word, against a server that answers at once: ours, and the SDK's stream.

    python advisor_client.py ours|sdk N

Prints one JSON object: microseconds at the median and at 99 %, and the seconds of the import.
"""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from pydantic import SecretStr

from core.model.analysis import RenderedPrompt
from feedback.analyzer.profiles import PROFILES
from feedback.analyzer.render import render
from feedback.analyzer.stream import StreamTransport

WARM_UP = 30


async def ours(base_url: str, prompt: RenderedPrompt, n: int) -> list[float]:
    """Return the seconds of each call."""
    took = []
    async with StreamTransport.open(PROFILES["vllm"], base_url, SecretStr("")) as transport:
        for _ in range(n):
            started = time.perf_counter()
            async with aclosing(transport.chunks("m", prompt, 1)) as chunks:
                async for chunk in chunks:
                    if chunk.text:
                        break
            took.append(time.perf_counter() - started)
            await transport.ping()
    return took


async def sdk(base_url: str, prompt: RenderedPrompt, n: int) -> list[float]:
    """Return the seconds of each call."""
    from openai import AsyncOpenAI

    took = []
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=None) as client:
        for _ in range(n):
            started = time.perf_counter()
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "system", "content": prompt.prefix}, {"role": "user", "content": prompt.body}],
                max_tokens=1,
                stream=True,
                logprobs=True,
                top_logprobs=5,
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
            took.append(time.perf_counter() - started)
            await client.models.list()
    return took


def main(side: str, n: int) -> None:
    """Start the server, measure, and print."""
    began = time.perf_counter()
    __import__("aiohttp" if side == "ours" else "openai")
    import_s = time.perf_counter() - began
    prompt = render("realtime/advice", {"facts": "{}"}, "en")
    stub = [sys.executable, str(Path(__file__).with_name("llm_stub.py")), "yes"]
    with subprocess.Popen(stub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        took = asyncio.run((ours if side == "ours" else sdk)(url, prompt, WARM_UP + n))[WARM_UP:]
        server.kill()
    ordered = sorted(second * 1e6 for second in took)
    print(json.dumps({"p50": ordered[n // 2], "p99": ordered[int(n * 0.99)], "import_s": import_s}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
