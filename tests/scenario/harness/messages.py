"""Messages of the racing protocol as a client writes them."""
import json

SPAWN_X = [66, 60, 54, 47, 41, 35, 28, 22, 16, 9, 3, -3, -9, -15, -22, -28, -34, -41, -47, -54]


def wire(message):
    """Compact JSON, members in the order given: what the server is expected to write, byte for byte."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def error(text):
    return wire({"command": "ERROR", "message": text})


def auth_failed(text):
    return wire({"command": "AUTH_FAILED", "message": text})


PONG = wire({"command": "PONG"})
BYE_OK = wire({"command": "BYE_OK"})
INVALID_JSON = error("Invalid JSON format")
TOO_LONG = error("Message too long")
NEEDS_LOGIN = error("Authentication required. Please use NAME command with password.")
NAME_TAKEN = auth_failed("Invalid password for this player name.")
WRONG_PASSWORD = auth_failed("Invalid password.")
ROOM_NOT_FOUND = error("Room not found.")
JOIN_REFUSED = error("Failed to join room. Room may be full or inactive.")
TOO_MANY_ROOMS = error("Too many rooms. Please try again later.")
BATCH_IN_BATCH = error("BATCH cannot hold another BATCH.")
RELAY_NO_TARGET = error("Target player not found.")
BUSY = error("Server is busy. Please try again.")
REPLACED = wire({"command": "BYE_ADMIN", "message": "Signed in from another connection"})
SHUTTING_DOWN = wire({"command": "BYE_ADMIN", "message": "Server is shutting down"})


def name_ok(name, authenticated=True):
    return wire({"command": "NAME_OK", "name": name, "authenticated": authenticated,
                 "udpEncryption": authenticated})


def auth_ok(name):
    return wire({"command": "AUTH_OK", "name": name})


def update(session_id, x=1, y=2, z=3, **extra):
    return wire({"command": "UPDATE", "sessionId": session_id,
                 "position": {"x": x, "y": y, "z": z},
                 "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}, **extra})


def nested_input(session_id, room_id, steering=0.5, timestamp=12.25, **extra):
    return wire({"command": "INPUT", "sessionId": session_id, "roomId": room_id,
                 "input": {"steering": steering, "throttle": 1, "brake": 0, "timestamp": timestamp},
                 "client_id": session_id, **extra})


def flat_input(session_id, steering=0.5, timestamp=12.25, **extra):
    return wire({"command": "INPUT", "sessionId": session_id, "steering": steering,
                 "throttle": 1, "brake": 0, "timestamp": timestamp, **extra})


def spawn_positions(session_ids):
    """The garage places of players in the order in which they joined."""
    return {sid: {"x": SPAWN_X[i], "y": -2, "z": 0.8} for i, sid in enumerate(session_ids)}
