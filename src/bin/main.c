#include "bin/command.h"

#include <signal.h>
#include <stdio.h>

static const struct command *const commands[] = {
    &command_serve,   &command_config,  &command_certificate, &command_audit,   &command_migrate,
    &command_bots,    &command_account, &command_ban,         &command_session, &command_room,
    &command_command, &command_reload,  &command_drain,       &command_status,
};

int main(int argc, char **argv)
{
    /* A peer or a pipe that went away is an error of the write, not the end of the program. */
    (void)signal(SIGPIPE, SIG_IGN);
    return command_main(commands, ARRAY_LEN(commands), argc, argv);
}
