"""Reads filters as JSON lines, answers each with libseccomp's program as hex, or with an error."""
import ctypes, json, os, sys

lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("datum_a", ctypes.c_uint64), ("datum_b", ctypes.c_uint64)]


OPERATORS = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
             "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}
ARCHES = {"SCMP_ARCH_X86_64": 0xc000003e, "SCMP_ARCH_X86": 0x40000003, "SCMP_ARCH_X32": 0x4000003e}
OPTIMIZE = 8


def answer(case):
    if "resolve" in case:
        return {name: {arch: lib.seccomp_syscall_resolve_name_arch(token, name.encode())
                       for arch, token in ARCHES.items()} for name in case["resolve"]}
    ctx = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(case["default"])))
    try:
        for arch in case["architectures"]:
            code = lib.seccomp_arch_add(ctx, ctypes.c_uint32(ARCHES[arch]))
            if code not in (0, -17):
                return {"error": "arch %d" % code}
        if case["optimize"]:
            lib.seccomp_attr_set(ctx, OPTIMIZE, ctypes.c_uint32(2))
        for rule in case["rules"]:
            number = lib.seccomp_syscall_resolve_name(rule["name"].encode())
            if number == -1:
                continue  # as runc does
            args = [Compare(a["index"], OPERATORS[a["op"]], a["value"], a.get("valueTwo", 0)) for a in rule["args"]]
            array = (Compare * max(1, len(args)))(*args)
            code = lib.seccomp_rule_add_array(ctx, ctypes.c_uint32(rule["action"]), number, len(args), array)
            if code:
                return {"error": "rule %d" % code}
        read, write = os.pipe()
        os.set_blocking(write, False)
        import fcntl
        fcntl.fcntl(write, 1031, 1 << 20)  # F_SETPIPE_SZ
        code = lib.seccomp_export_bpf(ctx, write)
        os.close(write)
        data = b""
        while chunk := os.read(read, 65536):
            data += chunk
        os.close(read)
        return {"program": data.hex()} if code == 0 else {"error": "export %d" % code}
    finally:
        lib.seccomp_release(ctx)


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
