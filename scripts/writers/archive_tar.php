<?php
/**
 * Packs with PEAR's Archive_Tar for `archive_tar.py`: what FOLDER holds of the names on stdin, each ended by a NUL.
 *
 * Usage: php archive_tar.php FOLDER ARCHIVE < NAMES
 */

error_reporting( E_ALL & ~E_DEPRECATED ); // PEAR is older than today's PHP.
require_once 'Archive/Tar.php';

[ , $folder, $archive ] = $argv;
$names                  = explode( "\0", rtrim( stream_get_contents( STDIN ), "\0" ) );
chdir( $folder );
exit( ( new Archive_Tar( $archive, 'gz' ) )->create( $names ) ? 0 : 1 );
