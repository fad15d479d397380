# One connection, held by a psql that is fed statements: what a server package brings, where a
# database driver may be missing.  Tells how much processor time its backend has used.
package Psql;
use strict;
use warnings;
use IPC::Open2;

sub new
{
	my ($class, @arguments) = @_;
	my $self = bless {}, $class;
	$self->{process} = open2(my $out, my $in, 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
		@arguments);
	@$self{qw(out in)} = ($out, $in);
	$self->{backend} = $self->run('SELECT pg_backend_pid();');
	return $self;
}

# Sends what psql understands, and returns what it printed.
sub run
{
	my ($self, $script) = @_;
	print { $self->{in} } $script, "\n\\echo :end of the answer:\n";
	$self->{in}->flush;
	my $answer = '';
	while (defined(my $line = readline $self->{out}))
	{
		if ($line eq ":end of the answer:\n")
		{
			chomp $answer;
			return $answer;
		}
		$answer .= $line;
	}
	die "psql ended: $script\n";
}

# Seconds that the backend has spent on a processor.
sub cpu
{
	my ($self) = @_;
	open my $file, '<', "/proc/$self->{backend}/schedstat" or die "schedstat: $!\n";
	return (split ' ', readline $file)[0] / 1e9;
}

sub DESTROY
{
	my ($self) = @_;
	close $self->{in};
	waitpid $self->{process}, 0;
}

1;
