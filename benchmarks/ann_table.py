def read(results):
    import json
    return [json.loads(line) for line in results.read_text("utf-8").splitlines()] if results.exists() else []
def table(lines): return ""
