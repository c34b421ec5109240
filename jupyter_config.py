"""The lab's defaults for those who start Jupyter themselves; `alphintra-lab` sets the same.

`jupyter lab --config jupyter_config.py`
"""

c = get_config()

c.ServerApp.port = 8002
# One kernel, the sandboxed one; a terminal would be a way around the sandbox.
c.KernelSpecManager.allowed_kernelspecs = {"alphintra-sandboxed"}
c.KernelSpecManager.ensure_native_kernel = False
c.MultiKernelManager.default_kernel_name = "alphintra-sandboxed"
c.ServerApp.terminals_enabled = False
