"""A whole crowd at once: for minutes, to see that memory stays flat, and under ThreadSanitizer."""
import pytest

pytest.register_assert_rewrite("soak.crowd", "soak.samples")
